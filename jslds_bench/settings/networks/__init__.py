"""Networks: models describe a frozen network."""
