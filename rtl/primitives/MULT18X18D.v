// MULT18X18D: 18x18 multiplier of the Lattice ECP5, a behavioural model for simulation.
//
// Written for this project from the block's public description (Lattice FPGA-TN-02205, sysDSP usage guide; parameters
// as in Project Trellis and nextpnr); substitutes for the vendor's model where that is not available. The order of
// reset and enable and the registers of the sign controls and of SIGNEDP were checked by reading Lattice's simulation
// library. Ports and parameters are those of the primitive.
//
//              +---------+   +----------+               +--------+
//   A, SRIA -->| INPUTA  |-->|          |   +--------+  |        |
//   SIGNEDA -->|         |   | multiply |-->|PIPELINE|->| OUTPUT |--> P
//   B, SRIB -->| INPUTB  |-->|          |   +--------+  |        |
//   SIGNEDB -->|         |   +----------+        |      +--------+
//              +---------+--> SROA, SROB         +--> SIGNEDP
//                             ROA, ROB
//
// Each register has its own clock, enable and reset, picked from four by REG_x_CLK, _CE and _RST; with REG_x_CLK "NONE"
// it is a wire. The sign controls travel with their operand. Reset has priority over enable. All registers start at 0,
// as the global reset at the end of configuration leaves them.
//
// Not modelled, and rejected at time 0: SOURCEB_MODE other than "B_SHIFT" (operand C and the high-speed mode),
// MULT_BYPASS, CAS_MATCH_REG, CLKx_DIV other than "ENABLED". ROC, which only the adjacent ALU54B can read, is
// undefined.

/* verilator lint_off DECLFILENAME */ // only this model uses the register
/* verilator lint_off WIDTHEXPAND */ // strings of different lengths are compared
module MULT18X18D_register #(
    parameter WIDTH = 1,
    parameter CLK = "NONE",
    parameter CE = "CE0",
    parameter RST = "RST0",
    parameter RESETMODE = "SYNC"
) (
    input [3:0] clks, ces, rsts,
    input [WIDTH-1:0] d,
    output [WIDTH-1:0] q
);
    generate
        if (CLK == "NONE") begin : bypassed
            assign q = d;
            wire unused = &{1'b0, clks, ces, rsts};
        end else begin : registered
            localparam [1:0] CLK_INDEX = CLK == "CLK3" ? 2'd3 : CLK == "CLK2" ? 2'd2 : CLK == "CLK1" ? 2'd1 : 2'd0;
            localparam [1:0] CE_INDEX = CE == "CE3" ? 2'd3 : CE == "CE2" ? 2'd2 : CE == "CE1" ? 2'd1 : 2'd0;
            localparam [1:0] RST_INDEX = RST == "RST3" ? 2'd3 : RST == "RST2" ? 2'd2 : RST == "RST1" ? 2'd1 : 2'd0;
            wire clk = clks[CLK_INDEX];
            wire ce = ces[CE_INDEX];
            wire rst = rsts[RST_INDEX];
            wire unused = &{1'b0, clks, ces, rsts};
            reg [WIDTH-1:0] value = 0;
            assign q = value;
            if (RESETMODE == "ASYNC") begin : asynchronous
                always @(posedge clk or posedge rst)
                    if (rst) value <= 0;
                    else if (ce) value <= d;
            end else begin : synchronous
                always @(posedge clk)
                    if (rst) value <= 0;
                    else if (ce) value <= d;
            end
        end
    endgenerate

    // Stop with a clear message rather than compute a wrong product.
    initial begin
        if (CLK != "NONE" && CLK != "CLK0" && CLK != "CLK1" && CLK != "CLK2" && CLK != "CLK3") begin
            $display("MULT18X18D: register clock %0s not modelled", CLK);
            $finish;
        end
        if (CE != "CE0" && CE != "CE1" && CE != "CE2" && CE != "CE3") begin
            $display("MULT18X18D: register enable %0s not modelled", CE);
            $finish;
        end
        if (RST != "RST0" && RST != "RST1" && RST != "RST2" && RST != "RST3") begin
            $display("MULT18X18D: register reset %0s not modelled", RST);
            $finish;
        end
    end
endmodule

module MULT18X18D #(
    parameter REG_INPUTA_CLK = "NONE",
    parameter REG_INPUTA_CE = "CE0",
    parameter REG_INPUTA_RST = "RST0",
    parameter REG_INPUTB_CLK = "NONE",
    parameter REG_INPUTB_CE = "CE0",
    parameter REG_INPUTB_RST = "RST0",
    /* verilator lint_off UNUSEDPARAM */ // operand C is not modelled
    parameter REG_INPUTC_CLK = "NONE",
    parameter REG_INPUTC_CE = "CE0",
    parameter REG_INPUTC_RST = "RST0",
    /* verilator lint_on UNUSEDPARAM */
    parameter REG_PIPELINE_CLK = "NONE",
    parameter REG_PIPELINE_CE = "CE0",
    parameter REG_PIPELINE_RST = "RST0",
    parameter REG_OUTPUT_CLK = "NONE",
    parameter REG_OUTPUT_CE = "CE0",
    parameter REG_OUTPUT_RST = "RST0",
    parameter CLK0_DIV = "ENABLED",
    parameter CLK1_DIV = "ENABLED",
    parameter CLK2_DIV = "ENABLED",
    parameter CLK3_DIV = "ENABLED",
    parameter HIGHSPEED_CLK = "NONE",
    parameter GSR = "ENABLED",
    parameter CAS_MATCH_REG = "FALSE",
    parameter SOURCEB_MODE = "B_SHIFT",
    parameter MULT_BYPASS = "DISABLED",
    parameter RESETMODE = "SYNC"
) (
    input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
    input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
    input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    input CLK3, CLK2, CLK1, CLK0, CE3, CE2, CE1, CE0, RST3, RST2, RST1, RST0,
    input SRIA17, SRIA16, SRIA15, SRIA14, SRIA13, SRIA12, SRIA11, SRIA10, SRIA9,
    input SRIA8, SRIA7, SRIA6, SRIA5, SRIA4, SRIA3, SRIA2, SRIA1, SRIA0,
    input SRIB17, SRIB16, SRIB15, SRIB14, SRIB13, SRIB12, SRIB11, SRIB10, SRIB9,
    input SRIB8, SRIB7, SRIB6, SRIB5, SRIB4, SRIB3, SRIB2, SRIB1, SRIB0,
    output SROA17, SROA16, SROA15, SROA14, SROA13, SROA12, SROA11, SROA10, SROA9,
    output SROA8, SROA7, SROA6, SROA5, SROA4, SROA3, SROA2, SROA1, SROA0,
    output SROB17, SROB16, SROB15, SROB14, SROB13, SROB12, SROB11, SROB10, SROB9,
    output SROB8, SROB7, SROB6, SROB5, SROB4, SROB3, SROB2, SROB1, SROB0,
    output ROA17, ROA16, ROA15, ROA14, ROA13, ROA12, ROA11, ROA10, ROA9,
    output ROA8, ROA7, ROA6, ROA5, ROA4, ROA3, ROA2, ROA1, ROA0,
    output ROB17, ROB16, ROB15, ROB14, ROB13, ROB12, ROB11, ROB10, ROB9,
    output ROB8, ROB7, ROB6, ROB5, ROB4, ROB3, ROB2, ROB1, ROB0,
    output ROC17, ROC16, ROC15, ROC14, ROC13, ROC12, ROC11, ROC10, ROC9,
    output ROC8, ROC7, ROC6, ROC5, ROC4, ROC3, ROC2, ROC1, ROC0,
    output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
    output P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0,
    output SIGNEDP
);
    wire [3:0] clks = {CLK3, CLK2, CLK1, CLK0};
    wire [3:0] ces = {CE3, CE2, CE1, CE0};
    wire [3:0] rsts = {RST3, RST2, RST1, RST0};

    // SOURCEA and SOURCEB take the operand from the neighbour's shift output.
    wire [17:0] a = SOURCEA ? {SRIA17, SRIA16, SRIA15, SRIA14, SRIA13, SRIA12, SRIA11, SRIA10, SRIA9,
        SRIA8, SRIA7, SRIA6, SRIA5, SRIA4, SRIA3, SRIA2, SRIA1, SRIA0} :
        {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
    wire [17:0] b = SOURCEB ? {SRIB17, SRIB16, SRIB15, SRIB14, SRIB13, SRIB12, SRIB11, SRIB10, SRIB9,
        SRIB8, SRIB7, SRIB6, SRIB5, SRIB4, SRIB3, SRIB2, SRIB1, SRIB0} :
        {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};

    wire [17:0] a_in, b_in;
    wire a_signed, b_signed;
    MULT18X18D_register #(
        .WIDTH(19), .CLK(REG_INPUTA_CLK), .CE(REG_INPUTA_CE), .RST(REG_INPUTA_RST), .RESETMODE(RESETMODE)
    ) input_a (clks, ces, rsts, {SIGNEDA, a}, {a_signed, a_in});
    MULT18X18D_register #(
        .WIDTH(19), .CLK(REG_INPUTB_CLK), .CE(REG_INPUTB_CE), .RST(REG_INPUTB_RST), .RESETMODE(RESETMODE)
    ) input_b (clks, ces, rsts, {SIGNEDB, b}, {b_signed, b_in});

    // The low 36 bits are the same whether the extended operands are read as signed or not.
    wire [35:0] a_wide = {{18{a_signed & a_in[17]}}, a_in};
    wire [35:0] b_wide = {{18{b_signed & b_in[17]}}, b_in};
    wire [35:0] product = a_wide * b_wide;

    wire [36:0] pipelined;
    wire [35:0] result;
    MULT18X18D_register #(
        .WIDTH(37), .CLK(REG_PIPELINE_CLK), .CE(REG_PIPELINE_CE), .RST(REG_PIPELINE_RST), .RESETMODE(RESETMODE)
    ) pipeline (clks, ces, rsts, {a_signed | b_signed, product}, pipelined);
    MULT18X18D_register #(
        .WIDTH(36), .CLK(REG_OUTPUT_CLK), .CE(REG_OUTPUT_CE), .RST(REG_OUTPUT_RST), .RESETMODE(RESETMODE)
    ) out (clks, ces, rsts, pipelined[35:0], result);

    // Bypasses the output register, which is off wherever SIGNEDP is used: beside an ALU54B.
    assign SIGNEDP = pipelined[36];
    assign {
        P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
        P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = result;
    assign {SROA17, SROA16, SROA15, SROA14, SROA13, SROA12, SROA11, SROA10, SROA9,
        SROA8, SROA7, SROA6, SROA5, SROA4, SROA3, SROA2, SROA1, SROA0} = a_in;
    assign {SROB17, SROB16, SROB15, SROB14, SROB13, SROB12, SROB11, SROB10, SROB9,
        SROB8, SROB7, SROB6, SROB5, SROB4, SROB3, SROB2, SROB1, SROB0} = b_in;
    assign {ROA17, ROA16, ROA15, ROA14, ROA13, ROA12, ROA11, ROA10, ROA9,
        ROA8, ROA7, ROA6, ROA5, ROA4, ROA3, ROA2, ROA1, ROA0} = a_in;
    assign {ROB17, ROB16, ROB15, ROB14, ROB13, ROB12, ROB11, ROB10, ROB9,
        ROB8, ROB7, ROB6, ROB5, ROB4, ROB3, ROB2, ROB1, ROB0} = b_in;
    assign {ROC17, ROC16, ROC15, ROC14, ROC13, ROC12, ROC11, ROC10, ROC9,
        ROC8, ROC7, ROC6, ROC5, ROC4, ROC3, ROC2, ROC1, ROC0} = {18{1'bx}};

    wire unused = &{1'b0,
        C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0};

    // Stop with a clear message rather than compute a wrong product.
    initial begin
        if (SOURCEB_MODE != "B_SHIFT") begin
            $display("MULT18X18D: SOURCEB_MODE %0s not modelled", SOURCEB_MODE);
            $finish;
        end
        if (REG_INPUTC_CLK != "NONE") begin
            $display("MULT18X18D: REG_INPUTC_CLK %0s not modelled", REG_INPUTC_CLK);
            $finish;
        end
        if (MULT_BYPASS != "DISABLED") begin
            $display("MULT18X18D: MULT_BYPASS %0s not modelled", MULT_BYPASS);
            $finish;
        end
        if (CAS_MATCH_REG != "FALSE") begin
            $display("MULT18X18D: CAS_MATCH_REG %0s not modelled", CAS_MATCH_REG);
            $finish;
        end
        if (HIGHSPEED_CLK != "NONE") begin
            $display("MULT18X18D: HIGHSPEED_CLK %0s not modelled", HIGHSPEED_CLK);
            $finish;
        end
        if (CLK0_DIV != "ENABLED" || CLK1_DIV != "ENABLED" || CLK2_DIV != "ENABLED" || CLK3_DIV != "ENABLED") begin
            $display("MULT18X18D: CLK_DIV %0s, %0s, %0s, %0s not modelled", CLK0_DIV, CLK1_DIV, CLK2_DIV, CLK3_DIV);
            $finish;
        end
        if (GSR != "ENABLED" && GSR != "DISABLED") begin
            $display("MULT18X18D: GSR %0s not modelled", GSR);
            $finish;
        end
        if (RESETMODE != "SYNC" && RESETMODE != "ASYNC") begin
            $display("MULT18X18D: RESETMODE %0s not modelled", RESETMODE);
            $finish;
        end
    end
endmodule
