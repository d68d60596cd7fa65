"""What a failed build, or a failed AMI of a good one, says of its failure: `state` as JSON."""

import json
from hashlib import blake2b
from typing import Any

from extract.emulator.fleet import Build, Image

COMPONENTS = (
    ("amazon-cloudwatch-agent-linux", "1.0.1/1", "aws", "InstallAgent", "ExecuteBash",
     "exit status 1: Error: Failed to download metadata for repo 'amazonlinux': "
     "Cannot prepare internal mirrorlist: Curl error (28): Timeout was reached"),
    ("stig-build-linux-high", "2024.2.1/1", "aws", "ApplySTIG", "ExecuteBash",
     "Step execution failed with exit code 137: the process was killed, out of memory"),
    ("harden-sshd", "2.3.0/4", "", "RestartSshd", "ExecuteBash",
     "Job for sshd.service failed because the control process exited with error code.\n"
     "See \"systemctl status sshd.service\" and \"journalctl -xe\" for details."),
    ("update-windows", "1.0.0/1", "aws", "UpdateOS", "UpdateOS",
     "0x80240438: Es ist keine Route oder Netzwerkverbindung zum Endpunkt verfügbar. "
     "C:\\Windows\\SoftwareDistribution\\Download"),
    ("install-internal-agent", "0.9.12/31", "", "FetchPackage", "S3Download",
     "AccessDenied: User is not authorized to perform: s3:GetObject on resource: "
     "\"arn:aws:s3:::artifacts-internal/agent/latest.rpm\" status code: 403"),
)  # fmt: skip
TESTS = (
    ("simple-boot-test-linux", "1.0.0/1", "aws", "CheckUptime", "ExecuteBash",
     "Expected boot within 300 seconds; the instance was not reachable after 300 seconds"),
    ("inspector-test", "1.0.0/1", "aws", "Assess", "ExecuteBash",
     "2 findings of severity CRITICAL (CVE-2024-3094, CVE-2023-4911), allowed: 0"),
)  # fmt: skip
WORKFLOW_STEPS = (
    ("LaunchBuildInstance", "build-image/1.0.2/1", "BUILDING"),
    ("ApplyBuildComponents", "build-image/1.0.2/1", "BUILDING"),
    ("CreateOutputAMI", "build-image/1.0.2/1", "BUILDING"),
    ("InventoryCollection", "build-image/1.0.2/1", "BUILDING"),
)
DISTRIBUTION_STEPS = (
    ("UPDATE_LAUNCH_TEMPLATES", "FAILED",
     "You are not authorized to perform: ec2:CreateLaunchTemplateVersion"),
    ("PUT_SSM_PARAMETERS", "FAILED",
     "ParameterLimitExceeded: the account has reached its limit of parameters"),
    ("ASSOCIATE_LICENSES", "CANCELLED", "Cancelled since another step failed"),
    ("UPDATE_FAST_LAUNCH_CONFIGURATIONS", "TIMED_OUT", "Timed out after 14400 seconds"),
    ("EXPORT_AMI", "FAILED", "The export task failed: bucket 'ami-exports' does not exist"),
    (None, "FAILED",
     "The AMI copy failed: the KMS key alias/ebs-shared is not accessible to the target account"),
)  # fmt: skip
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
CANCELLED = '{"status":"CANCELLED","reason":"Build cancelled by user request"}'


def state_of(build: Build) -> str:
    """Return the `state` member of a build, with its failure where it failed."""
    if build.status == "CANCELLED":
        return CANCELLED
    if build.status != "FAILED":
        return f'{{"status":"{build.status}"}}'
    reason, context = _failure(build, _dice(build))
    return _text({"status": "FAILED", "reason": reason, "failureContext": context})


def failed_ami_state(build: Build) -> str:
    """Return the `state` of the AMI that failed though its build is available."""
    place = build.image.places[-1]
    dice = _dice(build)
    step, status, message = DISTRIBUTION_STEPS[dice[1] % len(DISTRIBUTION_STEPS)]
    failure = _region_failure(place.region, place.account, step, status, message)
    reason = f"Distribution to {place.region} failed"
    context = {
        "imageStatus": "DISTRIBUTING",
        "distributionFailure": {"errorMessage": reason, "regionFailures": [failure]},
    }
    return _text({"status": "FAILED", "reason": reason, "failureContext": context})


def _failure(build: Build, dice: bytes) -> tuple[str, dict[str, Any]]:
    if build.fate == "component":
        return _component_failure(build, dice, "BUILDING")
    if build.fate == "test":
        return _component_failure(build, dice, "TESTING")
    if build.fate == "distribution":
        return _distribution_failure(build, dice)
    if build.fate == "launch":
        return "Instance could not be launched: InsufficientInstanceCapacity", {
            "imageStatus": "CREATING"
        }
    if build.fate == "stuck":
        reason = "Workflow step timed out after 144000 seconds"
        return reason, _step_context(build, dice, "ApplyTestComponents", "test-image/1.0.1/1")
    step, workflow, status = WORKFLOW_STEPS[dice[0] % len(WORKFLOW_STEPS)]
    context = _step_context(build, dice, step, workflow) | {"imageStatus": status}
    return f"Workflow Execution ID '{context['workflowExecutionId']}' failed at {step}", context


def _component_failure(build: Build, dice: bytes, status: str) -> tuple[str, dict[str, Any]]:
    choices = COMPONENTS if status == "BUILDING" else TESTS
    name, version, owner, step, action, message = choices[dice[0] % len(choices)]
    prefix, region, account = _arn_parts(build.image)
    workflow = "build-image/1.0.2/1" if status == "BUILDING" else "test-image/1.0.1/1"
    failed_step = "ApplyBuildComponents" if status == "BUILDING" else "ApplyTestComponents"
    context = _step_context(build, dice, failed_step, workflow)
    context["imageStatus"] = status
    context["componentFailure"] = {
        "componentArn": f"{prefix}:{region}:{owner or account}:component/{name}/{version}",
        "phaseName": "build" if status == "BUILDING" else "test",
        "stepName": step,
        "action": action,
        "errorMessage": message,
    }
    return f"Component '{name}' failed in step {step}", context


def _distribution_failure(build: Build, dice: bytes) -> tuple[str, dict[str, Any]]:
    failures = []
    for index, place in enumerate(build.image.places[-3:]):
        step, status, message = DISTRIBUTION_STEPS[dice[index] % len(DISTRIBUTION_STEPS)]
        failures.append(_region_failure(place.region, place.account, step, status, message))
    message = f"Distribution failed in {len(failures)} region(s)"
    context = _step_context(build, dice, "DistributeImage", "distribute-image/1.0.0/1")
    context["imageStatus"] = "DISTRIBUTING"
    context["distributionFailure"] = {"errorMessage": message, "regionFailures": failures}
    return message, context


def _region_failure(
    region: str, account: str, step: str | None, status: str, message: str
) -> dict[str, str]:
    failure = {"region": region, "status": status}
    if step:
        failure["imageConfigurationStep"] = step
    return failure | {"errorMessage": message, "targetAccountId": account}


def _step_context(build: Build, dice: bytes, step: str, workflow: str) -> dict[str, Any]:
    prefix, region, _ = _arn_parts(build.image)
    phase = {"b": "build", "t": "test", "d": "distribution"}[workflow[0]]
    return {
        "imageStatus": "TESTING",
        "workflowExecutionId": f"wf-{uuid_text(dice.hex())}",
        "workflowArn": f"{prefix}:{region}:aws:workflow/{phase}/{workflow}",
        "stepExecutionId": f"step-{uuid_text(dice.hex()[32:])}",
        "failedStep": step,
    }


def _arn_parts(image: Image) -> tuple[str, str, str]:
    parts = image.arn.split(":")
    return ":".join(parts[:3]), parts[3], parts[4]


def uuid_text(digits: str) -> str:
    """Return 32 hexadecimal digits in the form of a UUID."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def _dice(build: Build) -> bytes:
    return blake2b(build.digest.encode()).digest()


def _text(value: dict[str, Any]) -> str:
    return ENCODER.encode(value)
