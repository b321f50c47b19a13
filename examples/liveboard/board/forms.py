# Copyright (c) 2026, the switchyard.django contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one form of the board."""

from __future__ import annotations

from typing import Any

from django import forms

from .models import Note


class TextField(forms.CharField):
    """Browsers send a line break as two characters but count it as one: count as they do."""

    def to_python(self, value: Any) -> str:
        return super().to_python(value).replace("\r\n", "\n")


class NoteForm(forms.ModelForm):
    text = TextField(
        max_length=Note._meta.get_field("text").max_length,
        widget=forms.Textarea(attrs={"rows": 3, "placeholder": "What is on the line?"}),
    )

    class Meta:
        model = Note
        fields = ("text", "author", "colour")
        widgets = {
            "author": forms.TextInput(attrs={"autocomplete": "nickname", "placeholder": "Anonymous"}),
            "colour": forms.RadioSelect,
        }
