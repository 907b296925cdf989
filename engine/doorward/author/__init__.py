"""What authors of policies work with."""
