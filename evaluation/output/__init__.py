"""Tables, reports and images of an evaluation."""
