import subprocess
import time as t
from functools import partial
from pathlib import Path
from smtplib import SMTP
from time import sleep as zzz

from django.core.cache import cache
from django.core.mail import send_mail
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.views import View

from .lookups import Prices, cover
from .models import Book

books = Book.objects
HERE = Path(__file__).parent
nap = partial(zzz, 2)


async def front(request):
    titles = []
    for book in books.filter(published=True):  # blocks
        titles.append(book.title)
    number = books.count()  # blocks
    first = Book.visible.get(pk=1)  # blocks
    cached = cache.get("front")  # blocks
    return JsonResponse({"titles": titles, "number": number, "first": first.title, "cached": cached})


class Detail(View):
    async def get(self, request, pk):
        book = await Book.objects.aget(pk=pk)
        prices = Prices()
        return JsonResponse(
            {
                "author": book.author.name,  # blocks
                "price": prices.of(book.title),
                "cover": len(cover(book.title)),
                "reviews": [review.text for review in book.review_set.all()],  # blocks
            }
        )

    async def post(self, request, pk):
        book = get_object_or_404(Book, pk=pk)  # blocks
        send_mail("seen", book.title, "a@example.org", ["b@example.org"])  # blocks
        return HttpResponse()


async def slow(request):
    t.sleep(1)  # blocks
    nap()  # blocks
    wait = zzz
    wait(1)  # blocks
    done = subprocess.run(["true"], check=True)  # blocks
    return HttpResponse(done.returncode)


async def files(request):
    text = (HERE / "terms.txt").read_text()  # blocks
    with open("/etc/hostname") as stream:  # blocks
        name = stream.read()
    with SMTP("mail.example.org") as server:  # blocks
        server.noop()
    context = {"books": Book.objects.order_by("title"), "name": name, "text": text}
    return render(request, "files.html", context)  # blocks
