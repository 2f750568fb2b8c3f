"""A shop of UUID keys whose variants are rows of the product's own table, under their parent."""
