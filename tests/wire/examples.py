"""Workflow definitions as people post them: three whole workflows, and single steps."""

from __future__ import annotations

from typing import Any

ORDER_PROCESSING: dict[str, Any] = {
    "id": "order-processing",
    "name": "Order Processing Workflow",
    "description": "Process customer orders end-to-end",
    "steps": [
        {
            "id": "validate-order",
            "name": "Validate Order",
            "type": "task",
            "action": "http.request",
            "params": {"url": "http://validation.example/validate", "method": "POST"},
            "dependencies": [],
            "retryPolicy": {
                "maxAttempts": 3,
                "backoffMultiplier": 2,
                "initialDelay": 1000,
                "maxDelay": 10000,
            },
        },
        {
            "id": "charge-payment",
            "name": "Charge Payment",
            "type": "task",
            "action": "http.request",
            "params": {"url": "http://payment.example/charge", "method": "POST"},
            "dependencies": ["validate-order"],
            "retryPolicy": {
                "maxAttempts": 5,
                "backoffMultiplier": 2,
                "initialDelay": 2000,
                "maxDelay": 30000,
            },
        },
        {
            "id": "fulfill-order",
            "name": "Fulfill Order",
            "type": "task",
            "action": "http.request",
            "params": {"url": "http://fulfillment.example/fulfill", "method": "POST"},
            "dependencies": ["charge-payment"],
        },
    ],
    "webhooks": {
        "onComplete": "http://notifications.example/order-complete",
        "onFailure": "http://notifications.example/order-failed",
    },
}

ETL_PIPELINE: dict[str, Any] = {
    "id": "etl-pipeline",
    "name": "ETL Pipeline",
    "steps": [
        {
            "id": "extract",
            "name": "Extract Data",
            "type": "task",
            "action": "http.request",
            "params": {"url": "http://source.example/data", "method": "GET"},
            "dependencies": [],
        },
        {
            "id": "transform-users",
            "name": "Transform Users",
            "type": "task",
            "action": "transform",
            "params": {
                "inputKey": "extract",
                "code": "return input.users.map(u => ({ id: u.id, name: u.name }))",
            },
            "dependencies": ["extract"],
        },
        {
            "id": "transform-orders",
            "name": "Transform Orders",
            "type": "task",
            "action": "transform",
            "params": {
                "inputKey": "extract",
                "code": "return input.orders.filter(o => o.status === 'active')",
            },
            "dependencies": ["extract"],
        },
        {
            "id": "load",
            "name": "Load to Database",
            "type": "task",
            "action": "http.request",
            "params": {"url": "http://target.example/load", "method": "POST"},
            "dependencies": ["transform-users", "transform-orders"],
        },
    ],
}

ORDER_FLOW: dict[str, Any] = {
    "id": "order-flow",
    "name": "E-commerce Order Flow",
    "steps": [
        {
            "id": "validate",
            "name": "Validate Order",
            "type": "task",
            "action": "http.request",
            "params": {"url": "http://validation.example/validate", "method": "POST"},
            "dependencies": [],
            "retryPolicy": {"maxAttempts": 3, "backoffMultiplier": 2, "initialDelay": 1000, "maxDelay": 5000},
        },
        {
            "id": "check-inventory",
            "name": "Check Inventory",
            "type": "task",
            "action": "http.request",
            "params": {"url": "http://inventory.example/check", "method": "POST"},
            "dependencies": ["validate"],
        },
        {
            "id": "charge-payment",
            "name": "Charge Payment",
            "type": "task",
            "action": "http.request",
            "params": {"url": "http://payment.example/charge", "method": "POST"},
            "dependencies": ["check-inventory"],
            "retryPolicy": {
                "maxAttempts": 5,
                "backoffMultiplier": 2,
                "initialDelay": 2000,
                "maxDelay": 30000,
            },
        },
        {
            "id": "ship-order",
            "name": "Ship Order",
            "type": "task",
            "action": "http.request",
            "params": {"url": "http://shipping.example/ship", "method": "POST"},
            "dependencies": ["charge-payment"],
        },
        {
            "id": "send-confirmation",
            "name": "Send Confirmation",
            "type": "task",
            "action": "webhook",
            "params": {
                "url": "http://notifications.example/email",
                "payload": {"type": "order-confirmation"},
            },
            "dependencies": ["ship-order"],
        },
    ],
    "webhooks": {
        "onComplete": "http://analytics.example/order-complete",
        "onFailure": "http://support.example/order-failed",
    },
}

CICD_PIPELINE: dict[str, Any] = {
    "id": "cicd-pipeline",
    "name": "CI/CD Pipeline",
    "steps": [
        {"id": "checkout", "name": "Checkout Code", "dependencies": []},
        {"id": "test", "name": "Run Tests", "dependencies": ["checkout"]},
        {"id": "build", "name": "Build Application", "dependencies": ["test"]},
        {"id": "deploy-staging", "name": "Deploy to Staging", "dependencies": ["build"]},
        {"id": "integration-tests", "name": "Integration Tests", "dependencies": ["deploy-staging"]},
        {"id": "deploy-production", "name": "Deploy to Production", "dependencies": ["integration-tests"]},
    ],
}

WORKFLOWS = (ORDER_PROCESSING, ETL_PIPELINE, ORDER_FLOW, CICD_PIPELINE)

STEPS: tuple[dict[str, Any], ...] = (
    {
        "id": "call",
        "action": "http.request",
        "params": {
            "url": "http://api.example/endpoint",
            "method": "POST",
            "headers": {"Authorization": "Bearer token"},
            "body": {"key": "value"},
        },
    },
    {"id": "wait", "action": "delay", "params": {"duration": 5000}},
    {
        "id": "change",
        "action": "transform",
        "params": {
            "inputKey": "previous-step",
            "code": "return input.map(item => ({ ...item, processed: true }))",
        },
    },
    {"id": "check", "action": "condition", "params": {"expression": "context.amount > 100"}},
    {
        "id": "notify",
        "action": "webhook",
        "params": {"url": "http://notifications.example/notify", "payload": {"event": "step-complete"}},
    },
    {
        "id": "retried",
        "retryPolicy": {"maxAttempts": 5, "backoffMultiplier": 2, "initialDelay": 1000, "maxDelay": 30000},
    },
    {
        "id": "conditional-step",
        "action": "condition",
        "params": {"expression": "context.previousStep.result > 100"},
    },
)
"""Single steps, each of which is a workflow if it stands alone."""

BUILT_IN = ("noop", "http.request", "delay", "transform", "condition", "webhook")
