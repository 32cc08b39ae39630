"""Programs whose credentials are refused."""

from __future__ import annotations

from winter_sync.catalog.records import Scope
from winter_sync.core.errors import CredentialsRefusedError
from winter_sync.core.products import Night
from winter_sync.sync.refused_programs import RefusedPrograms


def test_a_refused_program_is_left_out_until_it_is_accepted_again() -> None:
    """Each refusal is reported with its reason; everything else of the scope stays as it was."""
    refusals: list[tuple[str, CredentialsRefusedError]] = []
    refused = RefusedPrograms(lambda *refusal: refusals.append(refusal))
    scope = Scope(("2024A000", "2025B001"), first_night=Night("20240130"))
    assert refused.without(scope) == scope
    error = CredentialsRefusedError("the key is wrong")
    refused.add("2024A000", error)
    assert refusals == [("2024A000", error)]
    assert refused.without(scope) == Scope(("2025B001",), first_night=Night("20240130"))
    refused.remove("2025B001")
    assert refused.without(scope).programs == ("2025B001",)
    refused.remove("2024A000")
    assert refused.without(scope) == scope
