// Feeds one input stream of the design from a binary file, one beat per (width + 7) / 8 bytes, most significant first.
// Everything it drives comes from registers. Once valid is up, payload stays until ready.
module tercet_stream_source #(
    parameter WIDTH = 8,
    parameter NAME = "stream"
) (
    input  wire             clk,
    input  wire             load,       // a clock in reset: open the file of this job
    input  wire             start,      // the last clock of reset
    input  wire             running,
    input  wire [63:0]      beats,
    input  wire [31:0]      seed,
    input  wire [31:0]      threshold,  // stall probability * 2**32
    input  wire [31:0]      job,
    output reg  [WIDTH-1:0] payload,
    output reg              valid,
    input  wire             ready,
    output wire             fire,
    output wire             waiting,    // beats remain, but none is offered in this clock
    output wire             done,
    output reg  [63:0]      moved,
    output reg  [3:0]       fault
);
    localparam BYTES = (WIDTH + 7) / 8;
    localparam SHORT = 4'd1;

    reg [8*1024-1:0] folder, path;
    integer file;
    integer got;
    reg [8*BYTES-1:0] beat;
    reg [63:0] taken;
    reg [31:0] random;

    function [31:0] xorshift(input [31:0] x);
        begin
            xorshift = x ^ (x << 13);
            xorshift = xorshift ^ (xorshift >> 17);
            xorshift = xorshift ^ (xorshift << 5);
        end
    endfunction

    assign fire = valid & ready;
    assign done = moved == beats;
    assign waiting = !valid && taken != beats;

    initial begin
        valid = 0;
        payload = 0;
        fault = 0;
        moved = 0;
        taken = 0;
        file = 0;
        random = 1;
        if (!$value$plusargs("tercet_dir=%s", folder)) folder = ".";
    end

    always @(posedge clk) begin
        if (load) begin
            if (file != 0) $fclose(file);
            $sformat(path, "%0s/%0d.%0s", folder, job, NAME);
            file = $fopen(path, "rb");
            fault <= 0;
            valid <= 0;
            moved <= 0;
            taken <= 0;
            random <= seed;
        end else if (start || running) begin
            if (threshold != 0) random <= xorshift(random);
            if (running && fire) moved <= moved + 1;
            if (start || fire || !valid) begin
                if (taken != beats && random >= threshold) begin
                    got = $fread(beat, file);
                    if (got != BYTES) fault <= SHORT;
                    payload <= beat[WIDTH-1:0];
                    valid <= 1;
                    taken <= taken + 1;
                end else begin
                    valid <= 0;
                end
            end
        end else begin
            valid <= 0;
        end
    end
endmodule
