"""The recipe of docs/container.md: what it starts is what its shop is told of."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from voucher_async import Settings, VoucherClient


@pytest.fixture
def services(root: Path) -> Any:
    text = (root / "docs" / "container.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    return yaml.safe_load(recipe)["services"]


async def test_the_shop_of_the_recipe_pays_at_the_emulator_of_the_recipe(services: Any) -> None:
    shell, flag, script = services["emulator"]["command"]
    install, _, start = script.partition(" &&\n")
    assert install.split() == ["pip", "install", "--quiet", "--root-user-action=ignore", "voucher-async"]
    start = start.strip().replace("exec python ", f"exec {shlex.quote(sys.executable)} ", 1) + " --port 0"
    process = await asyncio.create_subprocess_exec(shell, flag, start, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            port = int((await process.stdout.readline()).decode().split()[5].rpartition(":")[2])
            while b"connect PIN" not in await process.stdout.readline():
                pass
        environment = services["shop"]["environment"]
        there = {**environment, "VOUCHER_BASE_URL": f"http://127.0.0.1:{port}/v1"}
        async with VoucherClient.from_env(there) as shop:
            await shop.redeem(code="GIFT-25", amount="1.00", currency="EUR", order_number="A-1")
        host = environment["VOUCHER_BASE_URL"].removeprefix("http://").removesuffix("/v1")
        async with aiohttp.ClientSession(headers={"Host": host}) as session:
            assert (await session.get(f"{there['VOUCHER_BASE_URL']}/vouchers")).status == 401
        check = services["emulator"]["healthcheck"]["test"]
        command = [sys.executable, *check[2:-1], check[-1].replace("8400", str(port))]
        await asyncio.to_thread(subprocess.run, command, check=True)
        process.terminate()
        assert await process.wait() == 0  # the signal reaches the emulator, and not a shell before it
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def test_a_client_takes_the_settings_of_the_recipe(services: Any) -> None:
    settings = Settings.from_env(services["shop"]["environment"])
    assert settings.token_url == "http://emulator:8400/oauth/token"
    assert "emulator" in services
    assert "emulator" in services["shop"]["depends_on"]
