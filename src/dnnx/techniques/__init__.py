"""What a study can switch on, one file each."""
