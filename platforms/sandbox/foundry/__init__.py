"""A network that exists for tests only, with the difficulties that Instagram, Threads and their like have.

A post is cast first (a *container*, which is worked on and can be refused) and published then, by another request, which may be
answered without the post's id, or before the post is out. There is no idempotency key, and a quota for each day. What of this
happens is ordered by quirks; without any it casts at once, answers with an id, and refuses to publish a container twice.
"""
