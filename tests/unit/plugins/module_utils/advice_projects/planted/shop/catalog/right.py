"""The same, done as async code does it: nothing here holds the event loop up."""

import asyncio
import time
from functools import partial

import aiofiles
import anyio
import httpx
import requests
from asgiref.sync import sync_to_async
from django.http import JsonResponse, StreamingHttpResponse
from django.shortcuts import aget_object_or_404, render
from django.views import View

from .lookups import cover, fetch
from .models import Book, Review

later = sync_to_async(fetch)


@sync_to_async
def in_a_thread(pk):
    time.sleep(1)
    return Book.objects.get(pk=pk)


@sync_to_async(thread_sensitive=False)
def in_another(pk):
    return list(Review.objects.filter(book_id=pk))


async def front(request):
    loop = asyncio.get_running_loop()
    async with httpx.AsyncClient() as client:
        answers = await asyncio.gather(client.get("https://example.org/a"), client.get("https://example.org/b"))
    await asyncio.sleep(1)
    await sync_to_async(time.sleep)(1)
    await asyncio.to_thread(requests.get, "https://example.org/")
    await asyncio.to_thread(cover, "1")
    await loop.run_in_executor(None, time.sleep, 1)
    await loop.run_in_executor(None, partial(requests.get, timeout=3), "https://example.org/")
    await loop.run_in_executor(None, lambda: requests.get("https://example.org/", timeout=3))
    await anyio.to_thread.run_sync(fetch, "https://example.org/")
    await later("https://example.org/")
    await in_a_thread(1)
    await in_another(1)
    async with aiofiles.open("/etc/hostname") as stream:
        name = await stream.read()
    return JsonResponse({"name": name, "answers": len(answers)})


class Again(View):
    async def get(self, request):
        book = await aget_object_or_404(Book, pk=1)
        titles = [one.title async for one in Book.objects.all()]
        async for one in Book.visible.filter(published=True):
            titles.append(one.title)
        async for one in Book.objects.select_related("author").prefetch_related("tags"):
            titles += [one.author.name, one.author_id, *(tag.name for tag in one.tags.all())]
        other = await Book.objects.select_related("author").aget(pk=2)
        titles.append(other.author.name)
        rows = await sync_to_async(list)(Book.objects.filter(published=True))
        for one in rows:
            titles.append(one.title)
        lazy = Book.objects.filter(published=True)
        if await lazy.aexists() and await lazy.acount() > 1:
            titles.append(str(await lazy.afirst()))
        kept = Book.objects.all()
        async for one in kept:
            titles.append(one.title)
        for one in kept:
            titles.append(one.title)

        def inner():
            return Book.objects.count() + len(requests.get("https://example.org/").text)

        number = await sync_to_async(inner)()
        context = {"books": [one async for one in Book.objects.all()], "number": number, "first": book.title}
        return render(request, "again.html", context)

    async def post(self, request):
        return StreamingHttpResponse(self.lines())

    async def lines(self):
        yield "line"
        await asyncio.sleep(1)


def plain(request):
    time.sleep(1)
    return JsonResponse({"books": Book.objects.count()})
