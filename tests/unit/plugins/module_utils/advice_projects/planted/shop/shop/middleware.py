from asgiref.sync import iscoroutinefunction
from django.utils.decorators import sync_and_async_middleware

from catalog import lookups


@sync_and_async_middleware
def stamp(get_response):
    if iscoroutinefunction(get_response):

        async def middleware(request):
            request.country = lookups.country(request.META["REMOTE_ADDR"])
            return await get_response(request)

    else:

        def middleware(request):
            request.country = lookups.country(request.META["REMOTE_ADDR"])
            return get_response(request)

    return middleware


class Timer:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)
