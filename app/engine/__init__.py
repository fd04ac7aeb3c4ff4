"""Everything between *scheduled* and *published*. Knows no service and no page.

dispatching   what is due goes to the broker, what got lost is repaired
publishing    one try at one delivery: turn, claim, fence, one visible mutation, receipt
checkpoints   what a try leaves behind as it goes; the adapter's view of the delivery
reconciling   ask the network what became of it
deliveries    every change of a delivery's state: one compare-and-set along the table of ``app/models``
backoff       what follows from a failure; pure
order         in which order an account's deliveries go
outbox        a post's deliveries follow their post
lateness      what becomes of what could not be sent in time
turns         one account publishes one thing at a time
pacing        keeping under published rate limits
access        an account's tokens, opened and renewed
grants        every change of the tokens that accounts share, and what follows for these accounts
contents      from documents to what an adapter gets
attempts      the evidence
faultpoints   named steps at which the chaos harness holds a worker
"""
