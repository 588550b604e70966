"""Sample report of nextpnr."""

REPORT = {
    "fmax": {"$glbnet$clk": {"achieved": 61.5, "constraint": 75.0}},
    "critical_paths": [
        {
            "from": "posedge $glbnet$clk",
            "to": "posedge $glbnet$clk",
            "path": [
                {
                    "delay": 0.5,
                    "type": "clk-to-q",
                    "from": {"cell": "a", "port": "CLK"},
                    "to": {"cell": "a", "port": "Q"},
                },
                {"delay": 9.5, "type": "routing", "from": {"cell": "a", "port": "Q"}, "to": {"cell": "b", "port": "A"}},
                {"delay": 0.05, "type": "logic", "from": {"cell": "b", "port": "A"}, "to": {"cell": "b", "port": "F"}},
                {"delay": 0.0, "type": "setup", "from": {"cell": "b", "port": "F"}, "to": {"cell": "c", "port": "D"}},
            ],
        },
        {"from": "<async>", "to": "posedge $glbnet$clk", "path": [{"delay": 99.0, "type": "routing"}]},
    ],
}
