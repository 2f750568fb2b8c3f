"""A shop with a user model of its own, known by e-mail address, and customers between users and orders."""
