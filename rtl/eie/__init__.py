"""The EIE sparse engine."""
