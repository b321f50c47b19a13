from django.urls import path

from . import right, views

urlpatterns = [
    path("", views.front),
    path("books/<int:pk>/", views.Detail.as_view()),
    path("slow/", views.slow),
    path("files/", views.files),
    path("right/", right.front),
    path("right/again/", right.Again.as_view()),
]
