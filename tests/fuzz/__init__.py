"""Made-up answers and histories without end, held against what the project makes of them."""
