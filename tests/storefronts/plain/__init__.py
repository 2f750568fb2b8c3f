"""A shop as the tutorials build it: integer keys, Django's own users, variants in a table of their own, two sites."""
