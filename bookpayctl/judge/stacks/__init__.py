"""What can be judged: a module for each kind of stack, in one shape (`looks.Stack`)."""
