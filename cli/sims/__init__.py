"""What ``tercet sim`` runs, one module for each engine."""
