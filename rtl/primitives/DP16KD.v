// Behavioural model of the Lattice ECP5 block RAM as used by dp16kd.py: both ports of equal width (36, 18, 9, 4, 2 or
// 1), port A writes or reads, port B reads, both output registers in use. Written from the vendor's memory usage guide
// (FPGA-TN-02204); other modes stop the simulation.
/* verilator lint_off WIDTHEXPAND */ // strings of different lengths are compared, narrow words extended
module DP16KD #(
    parameter DATA_WIDTH_A = 18, parameter DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG", parameter REGMODE_B = "NOREG",
    /* verilator lint_off UNUSEDPARAM */ // chip selects are taken as active at zero, resets are not modelled
    parameter CSDECODE_A = "0b000", parameter CSDECODE_B = "0b000",
    parameter RESETMODE = "SYNC", parameter GSR = "DISABLED"
    /* verilator lint_on UNUSEDPARAM */
) (
    input wire
        DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13, DIA14, DIA15,
        DIA16, DIA17, DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13,
        DIB14, DIB15, DIB16, DIB17, ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11,
        ADA12, ADA13, ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
        CSA0, CSA1, CSA2, CSB0, CSB1, CSB2, CEA, OCEA, CLKA, WEA, RSTA, CEB, OCEB, CLKB, WEB, RSTB,
    output wire
        DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15,
        DOA16, DOA17, DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13,
        DOB14, DOB15, DOB16, DOB17
);
    // Address pins that select no word. An impossible width only gets the message below.
    localparam UNUSED = DATA_WIDTH_A == 18 ? 4 : DATA_WIDTH_A == 9 ? 3 : DATA_WIDTH_A == 4 ? 2 :
        DATA_WIDTH_A == 2 ? 1 : DATA_WIDTH_A == 1 ? 0 : 5;
    localparam WIDTH = UNUSED == 5 ? 36 : DATA_WIDTH_A;

    wire [35:0] di = {
        DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2,
        DIB1, DIB0, DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
        DIA3, DIA2, DIA1, DIA0
    };
    wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
    wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
    // At widths of 18 and 36 bits the lowest address bits of the write port enable nine data bits each.
    wire [35:0] enables = {{9{ADA3}}, {9{ADA2}}, {9{ADA1}}, {9{ADA0}}} | {36{WIDTH < 18}};
    wire write = CEA & WEA & ~|{CSA2, CSA1, CSA0};
    wire read = CEB & ~WEB & ~|{CSB2, CSB1, CSB0};

    reg [WIDTH-1:0] words [0:(1 << (14 - UNUSED)) - 1];
    reg [WIDTH-1:0] latch, out, latch_a, out_a;
    integer n;

    wire unused = &{1'b0, di, ada, adb, enables, out_a, RSTA, RSTB};

    // A word of 36 bits occupies the outputs of both ports.
    wire [35:0] outputs = WIDTH == 36 ? out : {18'd0 | out, 18'd0 | out_a};
    assign {
        DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
        DOB1, DOB0, DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4,
        DOA3, DOA2, DOA1, DOA0
    } = outputs;

    initial begin
        if (WIDTH != DATA_WIDTH_A || WIDTH != DATA_WIDTH_B || REGMODE_A != "OUTREG" || REGMODE_B != "OUTREG") begin
            $display("DP16KD: this mode is not modelled");
            $finish;
        end
        for (n = 0; n < 1 << (14 - UNUSED); n = n + 1) words[n] = 0;
        latch = 0;
        out = 0;
        latch_a = 0;
        out_a = 0;
    end

    always @(posedge CLKA) begin
        if (write) begin
            words[ada[13:UNUSED]] <=
                (words[ada[13:UNUSED]] & ~enables[WIDTH-1:0]) | (di[WIDTH-1:0] & enables[WIDTH-1:0]);
        end
        if (CEA & ~WEA & ~|{CSA2, CSA1, CSA0}) latch_a <= words[ada[13:UNUSED]];
        if (OCEA) out_a <= latch_a;
    end

    always @(posedge CLKB) begin
        if (read) latch <= words[adb[13:UNUSED]];
        if (OCEB) out <= latch;
    end
endmodule
