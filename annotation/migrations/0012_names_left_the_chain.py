from django.db import migrations


class Migration(migrations.Migration):
    # Apart from the one before: PostgreSQL alters no table whose new rows it has still to check.
    dependencies = [("annotation", "0011_erasable_events")]

    operations = [migrations.RemoveField("auditevent", "actor_name")]
