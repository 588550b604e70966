// Behavioural model of the Lattice ECP5 block RAM as dp16kd.py uses it: 512 words of 36 bits, port A writes, port B reads,
// both output registers in use. Written from the vendor's memory usage guide (FPGA-TN-02204); other modes stop.
/* verilator lint_off WIDTHEXPAND */ // strings of different lengths are compared
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
    wire [35:0] write_data = {
        DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2,
        DIB1, DIB0, DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4,
        DIA3, DIA2, DIA1, DIA0
    };
    wire [8:0] write_address = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5};
    wire [8:0] read_address = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5};
    // At this width the low address bits of the writing port enable the bytes of nine bits.
    wire [3:0] bytes = {ADA3, ADA2, ADA1, ADA0};
    wire write = CEA & WEA & ~|{CSA2, CSA1, CSA0};
    wire read = CEB & ~WEB & ~|{CSB2, CSB1, CSB0};

    reg [35:0] words [0:511];
    reg [35:0] latch, out;
    integer n;

    wire unused = &{1'b0, ADA4, ADB0, ADB1, ADB2, ADB3, ADB4, OCEA, RSTA, RSTB};

    assign {
        DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2,
        DOB1, DOB0, DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4,
        DOA3, DOA2, DOA1, DOA0
    } = out;

    initial begin
        if (DATA_WIDTH_A != 36 || DATA_WIDTH_B != 36 || REGMODE_A != "OUTREG" || REGMODE_B != "OUTREG") begin
            $display("DP16KD: this mode is not modelled");
            $finish;
        end
        for (n = 0; n < 512; n = n + 1) words[n] = 0;
        latch = 0;
        out = 0;
    end

    always @(posedge CLKA) begin
        if (write) begin
            for (n = 0; n < 4; n = n + 1) if (bytes[n]) words[write_address][9*n +: 9] <= write_data[9*n +: 9];
        end
    end

    always @(posedge CLKB) begin
        if (read) latch <= words[read_address];
        if (OCEB) out <= latch;
    end
endmodule
