"""Dramatiq workers: ``dramatiq actors``. Importing this package chooses the broker and registers the actors with it.

``CARILLON_AMQP_URL`` names RabbitMQ. Without it the broker is in memory, which only ``carillon run`` can use.
"""

import dramatiq

from actors.broker import make_broker
from app.settings import amqp_url

broker = make_broker(amqp_url())
dramatiq.set_broker(broker)

from actors import delivery, media  # noqa: E402, F401  - actors register with the broker that is set
