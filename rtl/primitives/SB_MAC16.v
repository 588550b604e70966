// SB_MAC16: multiplier and accumulator of the Lattice iCE40 UltraPlus, a behavioural model for simulation.
//
// Written for this project from the block's public description (Lattice FPGA-TN-02007, DSP function usage guide; yosys'
// model, with which a test compares it); letters are those of the guide's figure. Every parameter and port is modelled.
//
//   A[15:8] B[15:8] -> F --+-------------------------+        C or Q -> W -+
//   A[7:0]  B[15:8] -> J --+                         | A, F, H or sign -> X -+-> P -> Q
//   A[15:8] B[7:0]  -> K --+-> L = 16x16 -> H        |
//   A[7:0]  B[7:0]  -> G --+                         |        D or S -> Y -+
//                                                      B, G, H or sign -> Z -+-> R -> S
//   O[31:16] = P, Q, F or H[31:16]; O[15:0] = R, S, G or H[15:0]
//
// MODE_8x8 makes the low bytes signed if their operand is, and holds the registers that only 16x16 products need.
// All registers start at 0. They share CE; their resets are asynchronous.

/* verilator lint_off PROCASSINIT */ // the state after configuration; no reset is required
module SB_MAC16 #(
    parameter [0:0] NEG_TRIGGER = 0,
    parameter [0:0] C_REG = 0,
    parameter [0:0] A_REG = 0,
    parameter [0:0] B_REG = 0,
    parameter [0:0] D_REG = 0,
    parameter [0:0] TOP_8x8_MULT_REG = 0,
    parameter [0:0] BOT_8x8_MULT_REG = 0,
    parameter [0:0] PIPELINE_16x16_MULT_REG1 = 0,
    parameter [0:0] PIPELINE_16x16_MULT_REG2 = 0,
    parameter [1:0] TOPOUTPUT_SELECT = 0,
    parameter [1:0] TOPADDSUB_LOWERINPUT = 0,
    parameter [0:0] TOPADDSUB_UPPERINPUT = 0,
    parameter [1:0] TOPADDSUB_CARRYSELECT = 0,
    parameter [1:0] BOTOUTPUT_SELECT = 0,
    parameter [1:0] BOTADDSUB_LOWERINPUT = 0,
    parameter [0:0] BOTADDSUB_UPPERINPUT = 0,
    parameter [1:0] BOTADDSUB_CARRYSELECT = 0,
    parameter [0:0] MODE_8x8 = 0,
    parameter [0:0] A_SIGNED = 0,
    parameter [0:0] B_SIGNED = 0
) (
    input CLK, CE,
    input [15:0] A, B, C, D,
    input AHOLD, BHOLD, CHOLD, DHOLD,
    input IRSTTOP, IRSTBOT,
    input ORSTTOP, ORSTBOT,
    input OLOADTOP, OLOADBOT,
    input ADDSUBTOP, ADDSUBBOT,
    input OHOLDTOP, OHOLDBOT,
    input CI, ACCUMCI, SIGNEXTIN,
    output [31:0] O,
    output CO, ACCUMCO, SIGNEXTOUT
);
    wire clk = CLK ^ NEG_TRIGGER;

    // Bytes are extended so that 16 bits of their product are exact.
    function [15:0] extend(input [7:0] value, input is_signed);
        extend = {{8{is_signed & value[7]}}, value};
    endfunction

    // Operands.
    reg [15:0] a_reg = 0, b_reg = 0, c_reg = 0, d_reg = 0;
    wire [15:0] a = A_REG ? a_reg : A;
    wire [15:0] b = B_REG ? b_reg : B;
    wire [15:0] c = C_REG ? c_reg : C;
    wire [15:0] d = D_REG ? d_reg : D;

    // Four products. Within a 16x16 product the low bytes have no sign.
    wire [15:0] f_in = extend(a[15:8], A_SIGNED) * extend(b[15:8], B_SIGNED);
    wire [15:0] j_in = extend(a[7:0], 1'b0) * extend(b[15:8], B_SIGNED);
    wire [15:0] k_in = extend(a[15:8], A_SIGNED) * extend(b[7:0], 1'b0);
    wire [15:0] g_in = extend(a[7:0], A_SIGNED & MODE_8x8) * extend(b[7:0], B_SIGNED & MODE_8x8);
    reg [15:0] f_reg = 0, j_reg = 0, k_reg = 0, g_reg = 0;
    wire [15:0] f = TOP_8x8_MULT_REG ? f_reg : f_in;
    wire [15:0] j = PIPELINE_16x16_MULT_REG1 ? j_reg : j_in;
    wire [15:0] k = PIPELINE_16x16_MULT_REG1 ? k_reg : k_in;
    wire [15:0] g = BOT_8x8_MULT_REG ? g_reg : g_in;

    // Their sum, the 16x16 product.
    wire [31:0] l = {f, g} + {{8{B_SIGNED & j[15]}}, j, 8'b0} + {{8{A_SIGNED & k[15]}}, k, 8'b0};
    reg [31:0] h_reg = 0;
    wire [31:0] h = PIPELINE_16x16_MULT_REG2 ? h_reg : l;

    always @(posedge clk or posedge IRSTTOP)
        if (IRSTTOP) begin
            a_reg <= 0;
            c_reg <= 0;
            f_reg <= 0;
            j_reg <= 0;
        end else if (CE) begin
            if (!AHOLD) a_reg <= A;
            if (!CHOLD) c_reg <= C;
            f_reg <= f_in;
            if (!MODE_8x8) j_reg <= j_in;
        end

    always @(posedge clk or posedge IRSTBOT)
        if (IRSTBOT) begin
            b_reg <= 0;
            d_reg <= 0;
            k_reg <= 0;
            g_reg <= 0;
            h_reg <= 0;
        end else if (CE) begin
            if (!BHOLD) b_reg <= B;
            if (!DHOLD) d_reg <= D;
            if (!MODE_8x8) k_reg <= k_in;
            g_reg <= g_in;
            if (!MODE_8x8) h_reg <= l;
        end

    // Bottom adder: y + z, or y - z with the carry as a borrow.
    reg [15:0] s = 0;
    wire [15:0] y = BOTADDSUB_UPPERINPUT ? d : s;
    wire [15:0] z = BOTADDSUB_LOWERINPUT == 0 ? b : BOTADDSUB_LOWERINPUT == 1 ? g :
        BOTADDSUB_LOWERINPUT == 2 ? h[15:0] : {16{SIGNEXTIN}};
    wire bottom_in = BOTADDSUB_CARRYSELECT == 0 ? 1'b0 : BOTADDSUB_CARRYSELECT == 1 ? 1'b1 :
        BOTADDSUB_CARRYSELECT == 2 ? ACCUMCI : CI;
    wire [16:0] z_in = {1'b0, z} + {16'b0, bottom_in};
    wire [16:0] bottom = ADDSUBBOT ? {1'b0, y} - z_in : {1'b0, y} + z_in;
    wire [15:0] r = OLOADBOT ? d : bottom[15:0];

    always @(posedge clk or posedge ORSTBOT)
        if (ORSTBOT) s <= 0;
        else if (CE && !OHOLDBOT) s <= r;

    // Top adder, which can extend the bottom one.
    reg [15:0] q = 0;
    wire [15:0] w = TOPADDSUB_UPPERINPUT ? c : q;
    wire [15:0] x = TOPADDSUB_LOWERINPUT == 0 ? a : TOPADDSUB_LOWERINPUT == 1 ? f :
        TOPADDSUB_LOWERINPUT == 2 ? h[31:16] : {16{z[15]}};
    wire top_in = TOPADDSUB_CARRYSELECT == 0 ? 1'b0 : TOPADDSUB_CARRYSELECT == 1 ? 1'b1 :
        TOPADDSUB_CARRYSELECT == 2 ? bottom[16] : bottom[16] ^ ADDSUBBOT;
    wire [16:0] x_in = {1'b0, x} + {16'b0, top_in};
    wire [16:0] top = ADDSUBTOP ? {1'b0, w} - x_in : {1'b0, w} + x_in;
    wire [15:0] p = OLOADTOP ? c : top[15:0];

    always @(posedge clk or posedge ORSTTOP)
        if (ORSTTOP) q <= 0;
        else if (CE && !OHOLDTOP) q <= p;

    assign O[31:16] = TOPOUTPUT_SELECT == 0 ? p : TOPOUTPUT_SELECT == 1 ? q : TOPOUTPUT_SELECT == 2 ? f : h[31:16];
    assign O[15:0] = BOTOUTPUT_SELECT == 0 ? r : BOTOUTPUT_SELECT == 1 ? s : BOTOUTPUT_SELECT == 2 ? g : h[15:0];
    assign ACCUMCO = top[16];
    assign CO = top[16] ^ ADDSUBTOP;
    assign SIGNEXTOUT = x[15];
endmodule
