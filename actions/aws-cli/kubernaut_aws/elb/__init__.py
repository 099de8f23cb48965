"""Actions for target groups of load balancers."""
