// SB_SPRAM256KA: single-port RAM of the Lattice iCE40 UltraPlus, 16384 words of 16 bits, a behavioural model for
// simulation.
//
// Written for this project from the block's public description (Lattice TN1314, SPRAM usage guide, and yosys' model).
// Undefined values (the initial words, and the output from a write to the next read) are a recognisable pattern, the
// same on every simulator. The power-saving states stop the simulation.

module SB_SPRAM256KA (
    input CLOCK,
    input [13:0] ADDRESS,
    input [15:0] DATAIN,
    input [3:0] MASKWREN,
    input WREN, CHIPSELECT,
    input STANDBY, SLEEP, POWEROFF,
    output reg [15:0] DATAOUT
);
    localparam [15:0] UNDEFINED = 16'hBAD5;

    reg [15:0] words [0:16383];
    wire [15:0] enables = {{4{MASKWREN[3]}}, {4{MASKWREN[2]}}, {4{MASKWREN[1]}}, {4{MASKWREN[0]}}};
    integer n;

    initial begin
        for (n = 0; n < 16384; n = n + 1) words[n] = UNDEFINED ^ n[15:0];
        DATAOUT = UNDEFINED;
    end

    always @(posedge CLOCK) begin
        if (STANDBY | SLEEP | ~POWEROFF) begin
            $display("SB_SPRAM256KA: STANDBY, SLEEP and POWEROFF are not modelled");
            $finish;
        end
        if (CHIPSELECT) begin
            if (WREN) words[ADDRESS] <= (words[ADDRESS] & ~enables) | (DATAIN & enables);
            DATAOUT <= WREN ? UNDEFINED : words[ADDRESS];
        end
    end
endmodule
