"""What this machine can do: facts are read, judged one by one, and told with what to type next."""
