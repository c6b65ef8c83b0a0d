"""Topics and words: what is offered, and what is not offered any more."""

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from consent.models import Topic, Wording
from consent.services.errors import NotPublishable, SecondPersonNeeded


@transaction.atomic
def publish_topic(*, topic: Topic) -> None:
    """Offer a topic; raises `NotPublishable` with what is missing."""
    missing = [
        str(getattr(Topic, field).field.verbose_name)
        for field in ("public_name", "description", "frequency")
        if not getattr(topic, field).strip()
    ]
    if missing:
        raise NotPublishable(_("Still missing: %s.") % ", ".join(missing))
    if topic.use == Topic.Use.MESSAGE and not topic.channels:
        raise NotPublishable(_("Offer it on at least one channel."))
    if topic.covers_measurement and Topic.objects.measuring().exclude(pk=topic.pk).exists():
        raise NotPublishable(_("Another topic permits measurement: retire that one first."))
    Topic.objects.filter(pk=topic.pk).update(status=Topic.Status.PUBLISHED)
    topic.refresh_from_db()


def retire_topic(*, topic: Topic) -> None:
    """A retired topic sends nothing and is offered to nobody; its permissions and proofs stay.

    A use of data ends with it: what is kept by it alone goes with the next run of retention.
    """
    Topic.objects.filter(pk=topic.pk).update(status=Topic.Status.RETIRED)
    topic.refresh_from_db()


@transaction.atomic
def publish_wording(*, wording: Wording, publisher_id: int | None) -> Wording:
    """Freeze the words and show them beside the box from now on; raises a `NotPublishable`."""
    if wording.published_at:
        return wording
    if len(wording.text.strip()) < 20:
        raise NotPublishable(_("The words beside the box must say what the person says yes to."))
    if settings.WORDING_NEEDS_SECOND_PERSON and (
        publisher_id is None or publisher_id == wording.author_id
    ):
        raise SecondPersonNeeded
    wording.digest = wording.compute_digest()
    wording.published_at = timezone.now()
    wording.publisher_id = publisher_id
    wording.save(update_fields=["digest", "published_at", "publisher"])
    return wording
