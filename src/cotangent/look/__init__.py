"""Looking at a program that trains: the doctor, the memory that graphs keep, and who keeps them."""
