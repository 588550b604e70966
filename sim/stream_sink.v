// Takes one output stream of the design, writes each beat as a line of hexadecimal digits and checks the protocol.
// Its ready comes from a register and does not depend on valid.
module tercet_stream_sink #(
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
    input  wire [WIDTH-1:0] payload,
    input  wire             valid,
    output reg              ready,
    output wire             fire,
    output wire             done,
    output reg  [63:0]      moved,
    output reg  [3:0]       fault
);
    localparam BYTES = (WIDTH + 7) / 8;
    localparam EXTRA = 4'd2;
    localparam DROPPED = 4'd3;
    localparam CHANGED = 4'd4;
    localparam UNDEFINED = 4'd5;

    reg [8*1024-1:0] folder, path;
    integer file;
    reg [31:0] random;
    reg held;  // the clock before offered a beat that was not taken
    reg [WIDTH-1:0] held_payload;
    wire [8*BYTES-1:0] padded = payload;

    function [31:0] xorshift(input [31:0] x);
        begin
            xorshift = x ^ (x << 13);
            xorshift = xorshift ^ (xorshift >> 17);
            xorshift = xorshift ^ (xorshift << 5);
        end
    endfunction

    assign fire = valid & ready;
    assign done = moved == beats;

    initial begin
        ready = 0;
        fault = 0;
        moved = 0;
        file = 0;
        held = 0;
        random = 1;
        if (!$value$plusargs("tercet_dir=%s", folder)) folder = ".";
    end

    always @(posedge clk) begin
        if (load) begin
            if (file != 0) $fclose(file);
            $sformat(path, "%0s/%0d.%0s", folder, job, NAME);
            file = $fopen(path, "w");
            fault <= 0;
            moved <= 0;
            held <= 0;
            ready <= 0;
            random <= seed;
        end else if (start || running) begin
            if (threshold != 0) random <= xorshift(random);
            ready <= random >= threshold;
            if (running && fault == 0) begin
                held <= valid & !ready;
                held_payload <= payload;
                if (fire) begin
                    $fwrite(file, "%h\n", padded);
                    moved <= moved + 1;
                end
                if (valid !== 1'b0 && valid !== 1'b1) fault <= UNDEFINED;
                else if (held && !valid) fault <= DROPPED;
                else if (held && payload !== held_payload) fault <= CHANGED;
                else if (valid && done) fault <= EXTRA;
            end
        end else begin
            ready <= 0;
        end
    end
endmodule
