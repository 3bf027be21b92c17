"""What IPDT is compared with: DeepSORT, and the method as the papers' programs run it."""
