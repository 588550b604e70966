// Behavioural model of the Lattice ECP5 carry cell: two bits of a ripple carry behind two 4-input lookup tables. A
// table output of 1 propagates the carry; for 0 the carry comes from the table's lowest quarter, indexed by A and B.
/* verilator lint_off WIDTHEXPAND */ // strings of different lengths are compared
module CCU2C #(
    parameter [15:0] INIT0 = 16'h0000, parameter [15:0] INIT1 = 16'h0000,
    parameter INJECT1_0 = "YES", parameter INJECT1_1 = "YES"
) (
    input wire CIN, A0, B0, C0, D0, A1, B1, C1, D1,
    output wire S0, S1, COUT
);
    // Looked up input by input, so that an undefined input without effect on the result has none here.
    function look_up(input [15:0] init, input a, b, c, d);
        reg [7:0] by_d;
        reg [3:0] by_c;
        reg [1:0] by_b;
        begin
            by_d = d ? init[15:8] : init[7:0];
            by_c = c ? by_d[7:4] : by_d[3:0];
            by_b = b ? by_c[3:2] : by_c[1:0];
            look_up = a ? by_b[1] : by_b[0];
        end
    endfunction

    wire table0 = look_up(INIT0, A0, B0, C0, D0);
    wire table1 = look_up(INIT1, A1, B1, C1, D1);
    wire carry = table0 ? CIN : look_up(INIT0, A0, B0, 1'b0, 1'b0);

    assign S0 = table0 ^ CIN;
    assign S1 = table1 ^ carry;
    assign COUT = table1 ? carry : look_up(INIT1, A1, B1, 1'b0, 1'b0);

    initial begin
        if (INJECT1_0 != "NO" || INJECT1_1 != "NO") begin
            $display("CCU2C: this mode is not modelled");
            $finish;
        end
    end
endmodule
