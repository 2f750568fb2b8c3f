"""A lending bookshop: text keys, a user model of its own, and payment kept in a table that points back."""
