"""What happens to money: the PaymentIntent's states, charges, refunds, disputes."""
