"""What is made of a finished result: the overlay."""
