INSTALLED_APPS = ["channels", "django.contrib.staticfiles", "catalog", "chat.apps.ChatConfig"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "shop.middleware.stamp",
    "shop.middleware.Timer",
]
ROOT_URLCONF = "shop.urls"
ASGI_APPLICATION = "shop.asgi.application"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://"}}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
