"""`imagelake report`: a warehouse's state as one HTML page, for who does not ask in SQL."""
