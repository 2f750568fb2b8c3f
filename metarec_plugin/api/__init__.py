"""The REST API for apps and pages of other sites, and the client that speaks it. Nothing is imported here."""
