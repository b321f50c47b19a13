import asyncio
from functools import partial

from asgiref.sync import async_to_sync, sync_to_async
from catalog.models import Book, Review
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from channels.layers import get_channel_layer
from django.core.mail import EmailMessage


class Base(AsyncJsonWebsocketConsumer):
    """A class of the project's between the consumer and Channels."""


class Chat(Base):
    async def connect(self):
        self.book = await Book.objects.select_related("author").aget(pk=1)
        await self.accept()
        await self.greet()

    async def greet(self):
        await self.send_json({"author": self.book.author.name})
        review = Review.objects.create(book=self.book, text="hello")  # blocks
        await self.send_json({"id": review.pk})

    async def receive_json(self, content):
        await self.write(content)
        await self.also_write(content)
        message = EmailMessage("news", content["text"], to=["a@example.org"])
        message.send()  # blocks
        await sync_to_async(message.send)()
        await asyncio.to_thread(message.send)
        await asyncio.get_running_loop().run_in_executor(None, partial(message.send, fail_silently=True))
        self.tell(content)

    def tell(self, content):
        layer = get_channel_layer()
        async_to_sync(layer.group_send)("chat", content)  # blocks

    @database_sync_to_async
    def write(self, content):
        return Review.objects.create(book_id=1, text=content["text"])

    async def also_write(self, content):
        review = await Review.objects.acreate(book_id=1, text=content["text"])
        review.text = review.text.strip()
        await review.asave()
        review.save()  # blocks


class InAThread(JsonWebsocketConsumer):
    """Channels gives a sync consumer a thread of its own."""

    def receive_json(self, content):
        Review.objects.create(book_id=1, text=content["text"])
