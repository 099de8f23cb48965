"""Actions for Lambda functions."""
