"""Helpers that know nothing of async code."""

import socket
import urllib.request as asking

import requests

session = requests.Session()


class Prices:
    def __init__(self):
        self.http = session

    def of(self, isbn):
        return self.http.get(f"https://prices.example.org/{isbn}").json()  # blocks


def country(address):
    return socket.gethostbyaddr(address)[0].rpartition(".")[2]  # blocks


def cover(isbn):
    return fetch(f"https://covers.example.org/{isbn}")


def fetch(url):
    with asking.urlopen(url) as answer:  # blocks
        return answer.read()


def nobody_calls_this():
    return requests.get("https://example.org/")
