"""The systolic INT8 engine."""
