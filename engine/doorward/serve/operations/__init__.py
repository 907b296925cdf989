"""What whoever runs the service needs to see of it."""
