"""What is made from a finished result: the overlay."""
