"""What tests of several rooms share: real servers to test against."""
