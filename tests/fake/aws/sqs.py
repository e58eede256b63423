# SPDX-License-Identifier: Apache-2.0
"""SQS: queues that hide what they have handed out, hand it out again, and forget it."""
import asyncio
import hashlib
import json
import re
import secrets
import uuid

from .model import Refused, iso

WAIT_STEP_S = 0.02  # how often a long poll looks at the clock


class Message:
    def __init__(self, body, sent, visible_at):
        self.id, self.body, self.sent, self.visible_at = str(uuid.uuid4()), body, sent, visible_at
        self.receives, self.first, self.receipts = 0, None, []


class Queue:
    def __init__(self, region, name, events=None, visibility_s=30, retention_s=300, delivery_s=0.0, duplicate=False, dead_letter=None, max_receives=3):
        self.region, self.name, self.clock = region, name, region.clock
        self.events, self.visibility_s, self.retention_s = events, visibility_s, retention_s  # events: None none, else the detail types or "*"
        self.delivery_s, self.duplicate = delivery_s, duplicate
        self.dead_letter, self.max_receives = dead_letter, max_receives
        self.messages, self.deleted, self.arrived = {}, [], asyncio.Event()

    @property
    def arn(self):
        return f"arn:aws:sqs:{self.region.name}:{self.region.account}:{self.name}"

    def wants(self, detail_type):
        return bool(self.events) and ("*" in self.events or detail_type in self.events)

    def send_later(self, body):
        for _ in range(2 if self.duplicate else 1):
            if self.delivery_s:
                self.clock.after(self.delivery_s, self.send, body)
            else:
                self.send(body)

    def send(self, body, delay_s=0):
        now = self.clock.now()
        message = Message(body, now, now + delay_s)
        self.messages[message.id] = message
        self.clock.after(self.retention_s, self.messages.pop, message.id, None)
        self.arrived.set()
        return message

    def send_direct(self, group, detail):
        """What an Auto Scaling group writes to a queue by itself: no envelope."""
        body = {**detail, "AccountId": self.region.account, "RequestId": str(uuid.uuid4()), "Service": "AWS Auto Scaling", "Time": iso(self.clock.now())}
        self.send_later(json.dumps(body))

    def send_test(self, group):
        self.send(json.dumps({"AccountId": self.region.account, "RequestId": str(uuid.uuid4()), "AutoScalingGroupARN": group.arn,
                              "AutoScalingGroupName": group.name, "Service": "AWS Auto Scaling", "Event": "autoscaling:TEST_NOTIFICATION",
                              "Time": iso(self.clock.now())}))

    def take(self, n, visibility_s):
        now, taken = self.clock.now(), []
        for message in list(self.messages.values()):
            if len(taken) == n:
                break
            if message.visible_at > now:
                continue
            if self.dead_letter and message.receives >= self.max_receives:
                del self.messages[message.id]
                self.region.queues[self.dead_letter].send(message.body)
                continue
            message.receives += 1
            message.first = message.first or now
            message.visible_at = now + visibility_s
            message.receipts.append(secrets.token_urlsafe(64))
            taken.append(message)
        return taken

    def by_receipt(self, receipt):
        """The message whose newest receipt handle this is; an older one does nothing, which is the worst that AWS allows itself."""
        return next((message for message in self.messages.values() if message.receipts[-1:] == [receipt]), None)


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def check_body(body):
    if len(body.encode()) > 1 << 20:
        raise Refused("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.")


class Sqs:
    def __init__(self, world):
        self.world = world

    def queue(self, region, params):
        found = re.fullmatch(r"https?://[^/]+/([0-9]{12})/([A-Za-z0-9_.-]{1,80})", params["QueueUrl"])
        if not found:
            raise Refused("InvalidAddress", f"The address {params['QueueUrl']} is not valid for this endpoint.", 404)
        home = self.world.region(found[1], region.name)
        if found[2] not in home.queues:
            raise Refused("QueueDoesNotExist", "The specified queue does not exist.", 400, query_code="AWS.SimpleQueueService.NonExistentQueue")
        return home.queues[found[2]]

    def GetQueueUrl(self, region, params, caller):
        name = params["QueueName"]
        home = self.world.region(params.get("QueueOwnerAWSAccountId", region.account), region.name)
        if name not in home.queues:
            raise Refused("QueueDoesNotExist", "The specified queue does not exist.", 400, query_code="AWS.SimpleQueueService.NonExistentQueue")
        return {"QueueUrl": f"http://{caller.host}/{home.account}/{name}"}

    def GetQueueAttributes(self, region, params, caller):
        queue, now = self.queue(region, params), region.clock.now()
        visible = sum(message.visible_at <= now for message in queue.messages.values())
        every = {"QueueArn": queue.arn, "ApproximateNumberOfMessages": str(visible), "VisibilityTimeout": str(queue.visibility_s),
                 "ApproximateNumberOfMessagesNotVisible": str(len(queue.messages) - visible), "MessageRetentionPeriod": str(queue.retention_s)}
        names = params.get("AttributeNames", [])
        return {"Attributes": {key: value for key, value in every.items() if "All" in names or key in names}}

    def SendMessage(self, region, params, caller):
        check_body(params["MessageBody"])
        message = self.queue(region, params).send(params["MessageBody"], params.get("DelaySeconds", 0))
        return {"MessageId": message.id, "MD5OfMessageBody": md5(message.body)}

    async def ReceiveMessage(self, region, params, caller):
        queue, n = self.queue(region, params), params.get("MaxNumberOfMessages", 1)
        wait, visibility = params.get("WaitTimeSeconds", 0), params.get("VisibilityTimeout", queue.visibility_s)
        for value, low, high, name in ((n, 1, 10, "MaxNumberOfMessages"), (wait, 0, 20, "WaitTimeSeconds"), (visibility, 0, 43200, "VisibilityTimeout")):
            if not low <= value <= high:
                raise Refused("InvalidParameterValue", f"Value {value} for parameter {name} is invalid. Reason: Must be between {low} and {high}, if provided.")
        taken = await self.wait(queue, n, visibility, wait)
        names = params.get("AttributeNames", []) + params.get("MessageSystemAttributeNames", [])
        return {"Messages": [describe(message, names) for message in taken]} if taken else {}

    @staticmethod
    async def wait(queue, n, visibility, wait):
        """Ends when there is something, or when the wait is over by the world's clock or by ours."""
        loop = asyncio.get_running_loop()
        end, real_end = queue.clock.now() + wait, loop.time() + wait
        while True:
            queue.arrived.clear()
            taken = queue.take(n, visibility)
            if taken or queue.clock.now() >= end or loop.time() >= real_end:
                return taken
            try:
                await asyncio.wait_for(queue.arrived.wait(), WAIT_STEP_S)
            except asyncio.TimeoutError:
                pass

    @staticmethod
    def delete(queue, receipt):
        if len(receipt) < 20:
            raise Refused("ReceiptHandleIsInvalid", f'The input receipt handle "{receipt}" is not a valid receipt handle.', 404)
        message = queue.by_receipt(receipt)
        if message:  # an old receipt, or one used before, succeeds and does nothing more
            del queue.messages[message.id]
            queue.deleted.append({"time": queue.clock.now(), "id": message.id, "body": message.body, "receives": message.receives})

    def DeleteMessage(self, region, params, caller):
        self.delete(self.queue(region, params), params["ReceiptHandle"])

    @staticmethod
    def each(entries, do):
        if not entries:
            raise Refused("EmptyBatchRequest", "There should be at least one entry in the request.", 400, query_code="AWS.SimpleQueueService.EmptyBatchRequest")
        if len(entries) > 10:
            raise Refused("TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10.", 400, query_code="AWS.SimpleQueueService.TooManyEntriesInBatchRequest")
        if len({entry["Id"] for entry in entries}) < len(entries):
            raise Refused("BatchEntryIdsNotDistinct", "Id repeated.", 400, query_code="AWS.SimpleQueueService.BatchEntryIdsNotDistinct")
        good, bad = [], []
        for entry in entries:
            try:
                good.append({"Id": entry["Id"], **(do(entry) or {})})
            except Refused as error:
                bad.append({"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message})
        return {"Successful": good, "Failed": bad}

    def DeleteMessageBatch(self, region, params, caller):
        queue = self.queue(region, params)
        return self.each(params["Entries"], lambda entry: self.delete(queue, entry["ReceiptHandle"]))

    def SendMessageBatch(self, region, params, caller):
        queue = self.queue(region, params)

        def send(entry):
            check_body(entry["MessageBody"])
            message = queue.send(entry["MessageBody"], entry.get("DelaySeconds", 0))
            return {"MessageId": message.id, "MD5OfMessageBody": md5(message.body)}

        return self.each(params["Entries"], send)

    @staticmethod
    def change(queue, receipt, seconds):
        if not 0 <= seconds <= 43200:
            raise Refused("InvalidParameterValue", f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: VisibilityTimeout must be an integer between 0 and 43200.")
        message = queue.by_receipt(receipt)
        if message is None:
            raise Refused("InvalidParameterValue", f"Value {receipt} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.")
        if message.visible_at <= queue.clock.now():
            raise Refused("MessageNotInflight", "The message referred to is not in flight.", 400, query_code="AWS.SimpleQueueService.MessageNotInflight")
        message.visible_at = queue.clock.now() + seconds
        if not seconds:
            queue.arrived.set()

    def ChangeMessageVisibility(self, region, params, caller):
        self.change(self.queue(region, params), params["ReceiptHandle"], params["VisibilityTimeout"])

    def ChangeMessageVisibilityBatch(self, region, params, caller):
        queue = self.queue(region, params)
        return self.each(params["Entries"], lambda entry: self.change(queue, entry["ReceiptHandle"], entry.get("VisibilityTimeout", 0)))

    def PurgeQueue(self, region, params, caller):
        self.queue(region, params).messages.clear()


def describe(message, names):
    made = {"MessageId": message.id, "ReceiptHandle": message.receipts[-1], "MD5OfBody": md5(message.body), "Body": message.body}
    every = {"SentTimestamp": str(int(message.sent * 1000)), "ApproximateReceiveCount": str(message.receives),
             "ApproximateFirstReceiveTimestamp": str(int(message.first * 1000)), "SenderId": "events.amazonaws.com"}
    chosen = {key: value for key, value in every.items() if "All" in names or key in names}
    if chosen:
        made["Attributes"] = chosen
    return made
