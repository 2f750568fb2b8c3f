"""From a subject's last events to a score for every product: online in the request, in batches in workers."""
