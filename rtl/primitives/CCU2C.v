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
    // Looked up input by input, so that an undefined input without effect on the result has none here. Wires rather than
    // a function: a simulator that inlines each call of one has many times the code to compile.
    wire [7:0] by_d0 = D0 ? INIT0[15:8] : INIT0[7:0];
    wire [3:0] by_c0 = C0 ? by_d0[7:4] : by_d0[3:0];
    wire [1:0] by_b0 = B0 ? by_c0[3:2] : by_c0[1:0];
    wire table0 = A0 ? by_b0[1] : by_b0[0];
    wire [7:0] by_d1 = D1 ? INIT1[15:8] : INIT1[7:0];
    wire [3:0] by_c1 = C1 ? by_d1[7:4] : by_d1[3:0];
    wire [1:0] by_b1 = B1 ? by_c1[3:2] : by_c1[1:0];
    wire table1 = A1 ? by_b1[1] : by_b1[0];

    wire [1:0] lowest0 = B0 ? INIT0[3:2] : INIT0[1:0];
    wire [1:0] lowest1 = B1 ? INIT1[3:2] : INIT1[1:0];
    wire carry = table0 ? CIN : A0 ? lowest0[1] : lowest0[0];

    assign S0 = table0 ^ CIN;
    assign S1 = table1 ^ carry;
    assign COUT = table1 ? carry : A1 ? lowest1[1] : lowest1[0];

    initial begin
        if (INJECT1_0 != "NO" || INJECT1_1 != "NO") begin
            $display("CCU2C: this mode is not modelled");
            $finish;
        end
    end
endmodule
